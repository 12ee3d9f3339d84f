"""Remote write 2.0 and 1.0: messages, requests, lanes and what to do with what a receiver refuses."""
