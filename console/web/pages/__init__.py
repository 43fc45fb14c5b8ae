"""The pages, one router each; `create_app` takes every module here that has a `router`."""
