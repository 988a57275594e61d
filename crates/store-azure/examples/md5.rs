//! What MD5 costs with one, two, four and eight payloads in step, beside the crate `md-5`.
//!
//! `cargo run --profile bench-fast -p store-azure --example md5` prints seconds of one processor per GiB. With the name of a
//! row behind it (`1`, `2`, `4`, `8` or `md-5`) it sums 8 MiB that way, once: for counting instructions.

use std::{env, hint::black_box, time::Instant};

use block::Payload;
use md5::{Digest, Md5};
use store_azure::md5_lanes::{Width, digests};

const PAYLOAD: usize = 1 << 20;
const PAYLOADS: usize = 8;
const TIMES: usize = 20;

fn way(name: &str) -> Option<Width> {
    match name {
        "1" => Some(Width::One),
        "2" => Some(Width::Two),
        "4" => Some(Width::Four),
        "8" => Some(Width::Eight),
        _ => None,
    }
}

fn sum(payloads: &[Payload], width: Option<Width>) {
    match width {
        Some(width) => drop(black_box(digests(payloads, width))),
        None => {
            for payload in payloads {
                black_box(Md5::digest(&payload.segments()[0]));
            }
        }
    }
}

fn main() {
    let payloads: Vec<Payload> = (0..PAYLOADS)
        .map(|seed| {
            (0..PAYLOAD)
                .map(|at| (at * 7 + at / 251 + seed) as u8)
                .collect::<Vec<_>>()
                .into()
        })
        .collect();
    if let Some(name) = env::args().nth(1) {
        return sum(&payloads, way(&name));
    }
    for name in ["md-5", "1", "2", "4", "8"] {
        let best = (0..TIMES)
            .map(|_| {
                let start = Instant::now();
                sum(&payloads, way(name));
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        let gib = (PAYLOADS * PAYLOAD) as f64 / f64::from(1 << 30);
        println!("{name:>4} {:.2} s/GiB", best / gib);
    }
}
