//! Reading and verifying a code puts nothing on the heap.
#![allow(unsafe_code)] // a global allocator cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use factorgate::Timestamp;
use factorgate::otp::{Algorithm, Code, Hotp, Secret, Totp, Window};

/// Counts per thread, so that one test does not count what another allocates.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Fails while the thread is being torn down, when nobody counts any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(f: impl FnOnce() -> T) -> u64 {
    let before = COUNT.get();
    drop(black_box(f()));
    COUNT.get() - before
}

#[test]
fn control_allocation_is_counted() {
    assert_eq!(allocations(|| vec![1_u8; 10]), 1);
    assert_eq!(allocations(|| vec![0_u8; 10]), 1);
    assert_eq!(allocations(|| Secret::from_bytes(&[1; 20])), 1);
}

#[test]
fn reading_a_code_allocates_nothing() {
    for typed in ["005924", " 005 924 ", "٠٠٥٩٢٤", "", "00592x", &"0".repeat(1 << 20)] {
        assert_eq!(allocations(|| Code::parse(black_box(typed))), 0, "{typed:.10}");
    }
}

#[test]
fn verifying_a_code_allocates_nothing() {
    let (at, window) = (Timestamp::from_secs(1_111_111_109), Window::new(10, 10).unwrap());
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        // A key within the block of each hash function, and one that is hashed first.
        for len in [20, 200] {
            let secret = Secret::from_bytes(&vec![7; len]).unwrap();
            let totp = Totp::builder().algorithm(algorithm).build().unwrap();
            let right = totp.generate(&secret, at).unwrap();
            let wrong = Code::parse("000000").unwrap();
            let step = totp.step_at(at);
            let hotp = Hotp::new(algorithm, totp.digits());
            let count = allocations(|| {
                assert_eq!(totp.verify(&secret, &right, at, window, None), step);
                assert_eq!(totp.verify(&secret, &right, at, window, step), None);
                assert_eq!(totp.verify(&secret, &wrong, at, window, None), None);
                assert!(totp.generate(&secret, at).is_some());
                assert_eq!(hotp.verify(&secret, &wrong, 0, 10), None);
                assert_eq!(hotp.resync(&secret, &right, &wrong, 0, 10), None);
            });
            assert_eq!(count, 0, "{algorithm}, {len} bytes");
        }
    }
}
