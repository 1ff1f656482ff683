"""Sealed key files: an identity, plain files sealed for it, and all of them sealed again for another one."""
