//! Writes the gRPC service of `tonic-vault`, which it describes here instead of in a `.proto` file.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::{input}"))
            .output_type(format!("crate::{output}"))
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let vault = Service::builder()
        .package("vault")
        .name("Vault")
        .method(method("store", "Store", "Secret", "Nothing"))
        .method(method("list", "List", "Nothing", "Names"))
        .method(method("reveal", "Reveal", "Name", "Secret"))
        .method(method("delete", "Delete", "Name", "Nothing"))
        .build();
    Builder::new().build_client(false).compile(&[vault]);
    println!("cargo::rerun-if-changed=build.rs");
}
