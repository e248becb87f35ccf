package flowtable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPriorityInt32(t *testing.T) {
	for text, want := range map[Priority]int32{
		"":              0,
		"filter":        0,
		" filter ":      0,
		"raw":           -300,
		"mangle":        -150,
		"dstnat":        -100,
		"security":      50,
		"srcnat":        100,
		"filter - 10":   -10,
		"filter -10":    -10,
		"filter-10":     -10,
		"filter + 5":    5,
		"srcnat + 5":    105,
		"10":            10,
		"+10":           10,
		"-10":           -10,
		"- 10":          -10,
		"-2147483648":   -2147483648,
		"2147483647":    2147483647,
		"raw + 4294967": 4294667,
	} {
		got, err := text.Int32()
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want, got, "%q", text)
	}
}

func TestPriorityInt32Refuses(t *testing.T) {
	for text, want := range map[Priority]string{
		"out":                    "neither a number nor a standard name",
		"Filter":                 "neither a number",
		"filter +":               "neither a number",
		"filter 5":               "neither a number",
		"filter - - 5":           "neither a number",
		"filter + +5":            "neither a number",
		"-":                      "neither a number",
		"1.5":                    "neither a number",
		"0x10":                   "neither a number",
		"2147483648":             "out of range",
		"-2147483649":            "out of range",
		"srcnat + 2147483600":    "out of range",
		"99999999999999999999":   "out of range",
		"filter - 9999999999999": "out of range",
	} {
		_, err := text.Int32()
		assert.ErrorContains(t, err, want, "%q", text)
	}
}

func TestPriorityAt(t *testing.T) {
	for _, c := range []struct {
		priority   Priority
		hook, want string
	}{
		{"", "ingress", "filter"},
		{"0", "ingress", "filter"},
		{"-1", "ingress", "filter - 1"},
		{"10", "ingress", "filter + 10"},
		{"11", "ingress", "11"},
		{"-100", "ingress", "-100"},
		{"-300", "ingress", "-300"},
		{"-300", "prerouting", "raw"},
		{"-100", "prerouting", "dstnat"},
		{"-105", "prerouting", "dstnat - 5"},
		{"dstnat", "output", "-100"},
		{"srcnat", "postrouting", "srcnat"},
		{"srcnat", "input", "100"},
		{"mangle", "forward", "mangle"},
		{"55", "input", "security + 5"},
		{"-2147483648", "forward", "-2147483648"},
		{"nonsense", "forward", "nonsense"},
	} {
		assert.Equal(t, c.want, c.priority.At(c.hook), "%q at %s", c.priority, c.hook)
	}
}

// What At prints, Int32 reads back as the same number.
func FuzzPriority(f *testing.F) {
	for _, seed := range []string{"", "filter - 10", "srcnat+5", "-2147483648", "filter +", "raw - 99999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Priority(text).Int32()
		if err != nil {
			if !strings.Contains(err.Error(), "priority") {
				t.Fatalf("the error does not name the priority: %v", err)
			}
			return
		}
		for _, hook := range []string{"ingress", "prerouting", "input", "forward", "output", "postrouting"} {
			again, err := Priority(Priority(text).At(hook)).Int32()
			if err != nil || again != v {
				t.Fatalf("%q at %s became %d, %v; want %d", text, hook, again, err, v)
			}
		}
	})
}
