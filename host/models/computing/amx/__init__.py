"""Float32 products on the tile units (AMX) of x86 CPUs, by kernels that are compiled on the machine they run on."""
