//! `^` of Lua: the same bits on every machine.
//!
//! Lua's virtual machine raises to a power by the C library's `pow`, whose last bit depends on the library and on the
//! processor. This is `pow` for everything linked into the program, Lua included: the one of `libm`, in Rust.

/// What C calls `pow`.
#[allow(
    unsafe_code,
    reason = "a symbol's name is unsafe to choose: two of one name would be; C's is in a shared library"
)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}
