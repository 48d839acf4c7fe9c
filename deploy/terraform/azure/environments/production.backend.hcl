storage_account_name = "netraproductionterraform"
