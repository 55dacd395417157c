//! What is no key.

use super::*;

#[test]
fn points_off_the_curve_are_no_keys() {
    assert!(PublicKey::ec(KeyKind::P256, &[4; 32], &[5; 32]).is_none());
    assert!(PublicKey::ec(KeyKind::P256, &[0; 32], &[0; 32]).is_none());
    assert!(PublicKey::ec(KeyKind::P384, &[4; 48], &[4; 48]).is_none());
}

/// The table of <https://eprint.iacr.org/2020/1244>, and numbers that are not reduced.
#[test]
fn weak_ed25519_keys_are_no_keys() {
    let number = |first: u8, middle: u8, last: u8| {
        let mut number = [middle; 32];
        (number[0], number[31]) = (first, last);
        number
    };
    let order_8 = |first: [u8; 2], last: u8| {
        let all = [[0x26, 0xe8], [0xc7, 0x17]].iter().position(|start| *start == first).unwrap();
        let text = [
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ][all];
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        key[31] |= last;
        key
    };
    let rows = [
        ("order 1", number(1, 0, 0)),
        ("order 1, other sign", number(1, 0, 0x80)),
        ("order 2", number(0xec, 0xff, 0x7f)),
        ("order 2, other sign", number(0xec, 0xff, 0xff)),
        ("order 4", number(0, 0, 0)),
        ("order 4, other sign", number(0, 0, 0x80)),
        ("order 8, first", order_8([0x26, 0xe8], 0)),
        ("order 8, second", order_8([0x26, 0xe8], 0x80)),
        ("order 8, third", order_8([0xc7, 0x17], 0)),
        ("order 8, fourth", order_8([0xc7, 0x17], 0x80)),
        ("p", number(0xed, 0xff, 0x7f)),
        ("p, other sign", number(0xed, 0xff, 0xff)),
        ("p + 1", number(0xee, 0xff, 0x7f)),
        ("p + 1, other sign", number(0xee, 0xff, 0xff)),
        ("p + 3, a point of large order", number(0xf0, 0xff, 0x7f)),
        ("2^255 - 1", number(0xff, 0xff, 0x7f)),
    ];
    for (name, key) in rows {
        assert!(PublicKey::ed25519(&key).is_none(), "{name}");
    }
    // The base point, and the largest reduced numbers below the one of order 2.
    assert!(PublicKey::ed25519(&number(0x58, 0x66, 0x66)).is_some());
    assert!(!is_weak(&number(0xeb, 0xff, 0x7f)) && !is_weak(&number(2, 0, 0)));
}

#[test]
fn keys_that_are_the_same_are_equal() {
    let base = {
        let mut base = [0x66; 32];
        base[0] = 0x58;
        PublicKey::ed25519(&base).unwrap()
    };
    let modulus = [0xff; 256];
    let rsa = |modulus: &[u8], exponent: &[u8]| PublicKey::rsa(modulus, exponent).unwrap();
    assert_eq!(rsa(&modulus, &[3]), rsa(&[&[0], &modulus[..]].concat(), &[0, 3]), "zeros before");
    assert_ne!(rsa(&modulus, &[3]), rsa(&modulus, &[5]));
    assert_ne!(rsa(&modulus, &[3]), base);
    assert_eq!(format!("{base:?}"), "PublicKey(Ed25519)");
}
