"""Medical files to TFRecord shards and back; synthetic data to try it on."""
