"""One module for each family of endpoints: functions from a request to an answer. They raise what is wrong."""
