"""The routes, a module for each subject; they read requests, ask the services, and answer."""
