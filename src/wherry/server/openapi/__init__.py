"""The registry's API as an OpenAPI 3.1 document, which `/openapi.json` shows: made when it is first asked for."""
