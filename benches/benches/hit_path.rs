//! Instructions of one request, with our layer and with one that does nothing.
#![expect(missing_docs, unused_qualifications, reason = "that is how the macros below write")]

use std::hint::black_box;

use flexsecure_benches::policies::{self, Asked};
use flexsecure_benches::{on_actix, on_axum};
use gungraun::{library_benchmark, library_benchmark_group, main};

#[library_benchmark]
#[bench::run(on_axum::hit())]
fn axum_hit(input: on_axum::Hit) -> on_axum::HitDone {
    black_box(on_axum::send(black_box(input)))
}

#[library_benchmark]
#[bench::run(on_axum::nothing())]
fn axum_nothing(input: on_axum::Plain) -> on_axum::PlainDone {
    black_box(on_axum::send(black_box(input)))
}

#[library_benchmark]
#[bench::run(on_actix::hit())]
fn actix_hit(input: on_actix::Hit) -> on_actix::HitDone {
    black_box(on_actix::send(black_box(input)))
}

#[library_benchmark]
#[bench::run(on_actix::nothing())]
fn actix_nothing(input: on_actix::Plain) -> on_actix::PlainDone {
    black_box(on_actix::send(black_box(input)))
}

#[library_benchmark]
#[bench::run(policies::fixed())]
fn gate_fixed(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

#[library_benchmark]
#[bench::run(policies::closure())]
fn gate_closure(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

#[library_benchmark]
#[bench::run(policies::either())]
fn gate_either(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

#[library_benchmark]
#[bench::run(policies::rules())]
fn gate_rules(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

#[library_benchmark]
#[bench::run(policies::awaiting())]
fn gate_awaiting(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

#[library_benchmark]
#[bench::run(policies::cedar())]
fn gate_cedar(asked: Asked) -> Asked {
    black_box(policies::decide(black_box(asked)))
}

library_benchmark_group!(
    name = hit_path;
    benchmarks = axum_hit, axum_nothing, actix_hit, actix_nothing, gate_fixed, gate_closure,
        gate_either, gate_rules, gate_awaiting, gate_cedar
);
main!(library_benchmark_groups = hit_path);
