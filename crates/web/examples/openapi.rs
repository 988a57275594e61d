//! Prints the description of the API (OpenAPI 3.1): `cargo run -p web --example openapi > crates/web/openapi.json`.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    io::stdout().write_all(web::openapi::json().as_bytes())
}
