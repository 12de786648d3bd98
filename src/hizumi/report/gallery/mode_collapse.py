"""Who sees all modes (Srivastava et al. 2017, table 1; the ring is that of Metz et al. 2017)."""



