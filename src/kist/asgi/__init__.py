"""The ASGI host: dialects served by Starlette on uvicorn, with our own deadlines."""
