package mark

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckText refuses what nft's quoted strings, which have no escapes, cannot hold, and what makes a terminal do other things than print.
func CheckText(what, text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%s is not UTF-8; write it in UTF-8", what)
	}
	i := strings.IndexFunc(text, func(r rune) bool { return r == '"' || unicode.IsControl(r) })
	if i >= 0 {
		r, _ := utf8.DecodeRuneInString(text[i:])
		return fmt.Errorf("%s holds %q, which nft cannot spell; leave it out", what, r)
	}
	return nil
}

// idLength is how many characters crypto/rand.Text makes, of the alphabet of RFC 4648's base32.
const idLength = 26

// CheckID takes what crypto/rand.Text makes.
func CheckID(id string) error {
	other := func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') }
	if len(id) != idLength || strings.ContainsFunc(id, other) {
		return fmt.Errorf("%s is no ID of ours", short(id))
	}
	return nil
}

// CheckTime takes a time as RFC 3339 writes it, to the second: "2006-01-02T15:04:05Z", or with an offset such as "+01:00".
func CheckTime(text string) error {
	const form = "dddd-dd-ddTdd:dd:dd"
	bad := fmt.Errorf("%s is no time as RFC 3339 writes it", short(text))
	if len(text) <= len(form) || !shaped(text[:len(form)], form) {
		return bad
	}
	number := func(from, to int) int {
		n, _ := strconv.Atoi(text[from:to])
		return n
	}
	if month, day := number(5, 7), number(8, 10); month < 1 || month > 12 || day < 1 || day > days(number(0, 4), month) {
		return bad
	}
	if number(11, 13) > 23 || number(14, 16) > 59 || number(17, 19) > 59 {
		return bad
	}
	switch zone := text[len(form):]; {
	case zone == "Z":
	case (shaped(zone, "+dd:dd") || shaped(zone, "-dd:dd")) && number(20, 22) <= 23 && number(23, 25) <= 59:
	default:
		return bad
	}
	return nil
}

// shaped reports whether a text is a form, with a digit for each d.
func shaped(text, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i := range len(form) {
		if c := text[i]; form[i] == 'd' && (c < '0' || c > '9') || form[i] != 'd' && c != form[i] {
			return false
		}
	}
	return true
}

func days(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// CheckNumber takes a decimal number without signs or zeros before it, of a range.
func CheckNumber(text string, low, high int) error {
	n, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(n) != text || n < low || n > high {
		return fmt.Errorf("%s is no number from %d to %d", short(text), low, high)
	}
	return nil
}

// short quotes the beginning of a text that nobody vouches for.
func short(text string) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}
