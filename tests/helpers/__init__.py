"""What tests of several rooms need: real server processes and feeds for byte readers."""
