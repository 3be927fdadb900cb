//! The plaintext of a record, as a newer version or a failing memory might have left it: refused, or kept as it is.
#![no_main]

use factorgate::fuzzing::rewrite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|plain: &[u8]| {
    if let Some(written) = rewrite(plain) {
        assert_eq!(rewrite(&written).as_ref(), Some(&written));
    }
});
