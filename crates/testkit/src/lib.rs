//! Servers, proxies and processes for tests; never part of the product.
