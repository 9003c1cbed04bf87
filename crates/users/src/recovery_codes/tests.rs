//! Recovery codes: the form they are typed in.

use super::canonical;

#[test]
fn what_is_misread_or_spaced_is_the_same_code() {
    let code = "0123-4567-89ab";
    assert_eq!(canonical(code).as_deref(), Some("0123456789ab"));
    assert_eq!(canonical(" O123 4567 89AB ").as_deref(), Some("0123456789ab"));
    assert_eq!(canonical("oi23-4567-89ab"), canonical("0l23-4567-89ab"));
    for bad in ["", "0123-4567-89a", "0123-4567-89abc", "0123-4567-89au", "0123-4567-89aé"] {
        assert_eq!(canonical(bad), None, "{bad}");
    }
}
