"""The networks: `three_stage` (ours) and `tshrnet` (the paper's), each once per framework."""
