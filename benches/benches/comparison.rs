//! Instructions of comparing two MACs that differ early, late or not at all: the authority's own source, without the
//! authority.
#![expect(missing_docs, unused_qualifications, reason = "that is how the macros below write")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};

#[path = "../../flexsecure-server/src/secret/comparison.rs"]
mod comparison;

type Macs = ([u8; 32], [u8; 32]);

/// Two that differ in this byte, if in any.
fn macs(differs: Option<usize>) -> Macs {
    let one = [0x5a; 32];
    let mut other = one;
    if let Some(byte) = differs.and_then(|at| other.get_mut(at)) {
        *byte ^= 1;
    }
    (one, other)
}

/// The same code for all of them, which knows no more than the authority does: with the length known, a compiler may
/// make the same of any comparison.
#[inline(never)]
fn compare((one, other): &Macs) -> bool {
    comparison::is_same(black_box(&one[..]), black_box(&other[..]))
}

// T30
#[library_benchmark]
#[bench::run(macs(Some(0)))]
fn first_byte(macs: Macs) -> bool {
    black_box(compare(black_box(&macs)))
}

// T30
#[library_benchmark]
#[bench::run(macs(Some(31)))]
fn last_byte(macs: Macs) -> bool {
    black_box(compare(black_box(&macs)))
}

// T30
#[library_benchmark]
#[bench::run(macs(None))]
fn no_byte(macs: Macs) -> bool {
    black_box(compare(black_box(&macs)))
}

library_benchmark_group!(name = comparison_of_macs; benchmarks = first_byte, last_byte, no_byte);
main!(library_benchmark_groups = comparison_of_macs);
