"""From a case in medical files to an Example in a shard."""
