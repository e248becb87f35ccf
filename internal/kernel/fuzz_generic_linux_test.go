package kernel

import (
	"strings"
	"testing"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func FuzzParseFeature(f *testing.F) {
	for _, m := range about(f, "features") {
		f.Add(m.Data, uint32(40))
	}
	bits := make([]byte, 8)
	for _, place := range []uint32{0, 63, 64, 1 << 31, 1<<32 - 1} {
		f.Add(encodeFeatures(bits, bits, bits), place)
	}
	f.Fuzz(func(t *testing.T, data []byte, place uint32) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				index, feature, err := parseFeature(o, data, place)
				if malformed(t, err) {
					return
				}
				isIndex(t, index)
				if on := strings.TrimSuffix(feature, " [fixed]"); index == 0 || on != "on" && on != "off" {
					t.Fatalf("the feature of link %d is %q", index, feature)
				}
			})
		}
	})
}

// FuzzFindString finds a string where its bytes are, if at all, and its place is one that parseFeature can be asked for.
func FuzzFindString(f *testing.F) {
	for _, m := range about(f, "strings") {
		f.Add(m.Data, tcOffload)
		f.Add(m.Data, "rx-checksum")
	}
	for _, place := range []uint32{0, 1 << 31, 1<<32 - 1} {
		f.Add(encodeStrings(place, tcOffload), tcOffload)
	}
	f.Fuzz(func(t *testing.T, data []byte, want string) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				place, found, err := findString(o, data, want)
				if malformed(t, err) || !found {
					return
				}
				if !strings.Contains(string(data), want) {
					t.Fatalf("%q is not there", want)
				}
				_, _, err = parseFeature(o, data, place)
				malformed(t, err)
			})
		}
	})
}

func FuzzParseFamily(f *testing.F) {
	addData(f, about(f, "family"))
	f.Add([]byte{1, 2, 0, 0, 6, 0, 1, 0, 20, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				number, err := parseFamily(o, data)
				if malformed(t, err) && number != 0 {
					t.Fatalf("family %d and an error", number)
				}
			})
		}
	})
}

// The family of a captured answer is the one that the captured messages of ethtool bear.
func TestCapturedFamily(t *testing.T) {
	number, err := parseFamily(nlmsg.LittleEndian, about(t, "family")[0].Data)
	if err != nil || number != about(t, "features")[0].Type {
		t.Fatal(number, err)
	}
}
