"""Networks whose convolutions carry a low-cost collaborative layer (LCCL), and their training."""
