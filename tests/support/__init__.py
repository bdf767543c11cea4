"""What tests stand on: private servers, real workers, an OTLP collector, the jobs' own diary, comparison of spans."""
