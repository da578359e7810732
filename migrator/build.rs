//! Compiles the crate anew when a migration or a grant was added: the macro
//! that embeds them only watches the files it saw.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=grants");
}
