//! The requests to valgrind's memcheck that the check needs; nothing happens without it.

use std::arch::asm;
use std::hint::black_box;

const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;

/// Holds the bytes to be undefined: what depends on them may be computed, but decide nothing.
pub fn hide(bytes: &mut [u8]) {
    request([MEMCHECK + 1, black_box(bytes.as_mut_ptr()).addr(), bytes.len(), 0, 0, 0]);
}

/// The value, held to be defined.
pub fn reveal<T: Copy>(value: T) -> T {
    let mut value = black_box(value);
    request([MEMCHECK + 2, black_box(&raw mut value).addr(), size_of::<T>(), 0, 0, 0]);
    black_box(value)
}

pub fn is_running() -> bool {
    request([0x1001, 0, 0, 0, 0, 0]) != 0
}

#[inline(never)]
fn request(arguments: [usize; 6]) -> usize {
    let result;
    // SAFETY: the four rotations add up to 128 bits, so that the register is as before, and the exchange is of a
    // register with itself. Memcheck knows the sequence, reads the arguments and puts its answer into rdx.
    unsafe {
        asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            inout("rdx") 0_usize => result,
            in("rax") arguments.as_ptr(),
            options(nostack),
        );
    }
    result
}
