"""The supply catalog: models and their prices, dated; a tenant's rows override the list prices."""
