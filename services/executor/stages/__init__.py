"""The canary ladder of the users whom this executor serves: what is counted, and who moves."""
