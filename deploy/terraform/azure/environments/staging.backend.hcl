storage_account_name = "netrastagingterraform"
