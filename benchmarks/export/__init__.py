"""Whether what is promised as exportable exports: every detector, both engines, on real pictures and a table."""
