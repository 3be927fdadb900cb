//! Stands for `otp` in the library, so that what is private to it can be called.

use std::hint::black_box;

use ::hmac::Mac as _;

use self::hotp::{Hotp, Search};
use crate::code::{Code, Digits};
use crate::memcheck::{hide, reveal};
use crate::secret::Secret;

#[path = "../../../src/otp/hotp.rs"]
mod hotp;
#[path = "../../../src/otp/hmac.rs"]
mod hmac;
#[path = "../../../src/otp/truncate.rs"]
mod truncate;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    #[default]
    Sha1,
    Sha256,
    Sha512,
}

pub fn run(subject: &str, algorithm: &str) {
    let algorithm = match algorithm {
        "SHA1" => Algorithm::Sha1,
        "SHA256" => Algorithm::Sha256,
        "SHA512" => Algorithm::Sha512,
        other => panic!("{other}"),
    };
    // A key within the block of each hash function, and one that is hashed first.
    for len in [20, 200] {
        let mut key = black_box(vec![b'1'; len]);
        hide(&mut key);
        let secret = Secret::from_bytes(&key).unwrap();
        for digits in (Digits::MIN..=Digits::MAX).map(|digits| Digits::new(digits).unwrap()) {
            one(subject, &Hotp::new(algorithm, digits), &secret);
        }
    }
}

fn one(subject: &str, hotp: &Hotp, secret: &Secret) {
    let (code, other) = (hotp.generate(secret, 5), Code::from_value(123_456, hotp.digits()));
    match subject {
        // Right at the first, at a middle and at the last step, of a used step, and wrong.
        "search" => {
            for (first, last, after) in [(5, 9, None), (3, 7, None), (1, 5, None), (5, 9, Some(7)), (6, 9, None)] {
                for code in [&code, &other] {
                    let found = Search { hotp: *hotp, secret, code, first, last, after }.run();
                    let (fresh, spent) = (found.fresh.unwrap_u8(), found.spent.unwrap_u8());
                    println!("{} {} {}", reveal(fresh), reveal(found.counter), reveal(spent));
                }
            }
        }
        "find-pair" => {
            for codes in [[&code, &other], [&code, &hotp.generate(secret, 6)]] {
                let (hit, counter) = hotp.find_pair(secret, codes, 3, 9);
                println!("{} {}", reveal(hit.unwrap_u8()), reveal(counter));
            }
        }
        "generate" => println!("{}", reveal(code.value())),
        "control-branch-on-the-verdict" => println!("{:?}", hotp.verify(secret, &code, 5, 1)),
        "control-index" => {
            // The truncation as RFC 4226 has it.
            let mac = <::hmac::Hmac<sha1::Sha1> as ::hmac::KeyInit>::new_from_slice(secret.expose_secret()).unwrap();
            let tag = mac.finalize().into_bytes();
            let byte = tag[usize::from(tag[19] & 0x0f)];
            println!("{}", reveal(byte));
        }
        "control-early-exit" => {
            let (one, other) = (black_box(code.value().to_le_bytes().to_vec()), black_box(vec![0; 8]));
            let same = one.iter().zip(&other).all(|(one, other)| black_box(*one) == *other);
            println!("{}", reveal(same));
        }
        other => panic!("{other}"),
    }
}
