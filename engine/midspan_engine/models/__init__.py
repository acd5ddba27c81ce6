"""Networks in torch and the adapters that go with them."""
