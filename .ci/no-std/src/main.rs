//! Uses what the library offers on `alloc` alone. If any crate under it brought `std` in, the panic handler of `std`
//! and the one below would be two, and this would not compile.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::ToString as _;
use core::alloc::{GlobalAlloc, Layout};
use core::error::Error;
use core::panic::PanicInfo;

use factorgate::Timestamp;
use factorgate::otp::{Code, Hotp, Secret, Totp, Window};
use factorgate::otpauth::{AccountName, Issuer, KeyUri};
use factorgate::policy::{Channel, DeviceStanding, FirstRegistration, Policy, Standing};

fn run() -> Result<bool, alloc::boxed::Box<dyn Error>> {
    let secret = Secret::from_base32("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")?;
    let code = Code::parse("081 804")?;
    let at = Timestamp::from_secs(1_111_111_109);
    let step = Totp::default().verify(&secret, &code, at, Window::default(), None);
    let first = Hotp::default().generate(&secret, 0).expose_secret();

    let uri = KeyUri::totp(&Issuer::new("ACME Co")?, &AccountName::new("alice")?, &secret, &Totp::default())?;
    let read = KeyUri::parse(uri.expose_secret())?;

    let policy = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
    let mut user = Standing::new();
    user.device = DeviceStanding::Confirmed { recovery_codes: false };
    let plan = policy.explain(&user).to_string();

    Ok(step.map(|step| step.get()) == Some(37_037_036)
        && first.expose_secret() == "755224"
        && read.secret().expose_secret() == b"12345678901234567890"
        && !plan.is_empty())
}

#[unsafe(no_mangle)]
extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
    match run() {
        Ok(true) => 0,
        _ => 1,
    }
}

struct Libc;

#[link(name = "c")]
unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut u8;
    fn free(memory: *mut u8);
    fn abort() -> !;
}

// SAFETY: memory of the C library, aligned as asked for; a size is rounded up to what `aligned_alloc` wants.
unsafe impl GlobalAlloc for Libc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align().max(size_of::<usize>());
        unsafe { aligned_alloc(align, layout.size().next_multiple_of(align)) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        unsafe { free(memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Libc = Libc;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe { abort() }
}

// `core` as it is shipped was compiled to unwind, and the linker looks for these.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    unsafe { abort() }
}
