"""What is done to a system while signals flow: processes killed and frozen, faults armed, Redis refusing, files broken."""
