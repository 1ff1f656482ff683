"""Tests of Shoal."""
