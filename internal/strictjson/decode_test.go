package strictjson

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type document struct {
	Name  string   `json:"name"`
	Count uint8    `json:"count,omitempty"`
	On    bool     `json:"on,omitempty"`
	Bytes []byte   `json:"bytes,omitempty"`
	Parts []*part  `json:"parts,omitempty"`
	Words []string `json:"words,omitempty"`
}

type part struct {
	ID uint16 `json:"id"`
}

func TestDecode(t *testing.T) {
	var d document
	require.NoError(t, Decode([]byte(`{"name": "x", "count": 255, "on": true, "bytes": "AQI=", "parts": [{"id": 7}, null], "words": ["a"]}`), &d))
	assert.Equal(t, document{Name: "x", Count: 255, On: true, Bytes: []byte{1, 2}, Parts: []*part{{ID: 7}, nil}, Words: []string{"a"}}, d)
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]Mistake{
		``:                                {0, "", errors.New("the input is empty")},
		`{`:                               {0, "", errors.New("this is not JSON: unexpected end of JSON input")},
		"{\"name\": \"\xff\"}":            {10, "", errors.New("this byte is not UTF-8; save the file as UTF-8")},
		`[]`:                              {0, "", errors.New("want an object, found a list")},
		`{} {}`:                           {3, "", errors.New("this is not JSON: invalid character '{' after top-level value")},
		`{"Name": "x"}`:                   {1, "Name", errors.New("unknown field; known here: name, count, on, bytes, parts, words")},
		`{"name": "x", "name": "y"}`:      {14, "name", errors.New("the field is given twice; remove one")},
		`{"count": 256}`:                  {10, "count", errors.New("want a whole number from 0 to 255, found the number 256")},
		`{"count": "1"}`:                  {10, "count", errors.New(`want a whole number from 0 to 255, found the string "1"`)},
		`{"on": 1}`:                       {7, "on", errors.New("want true or false, found the number 1")},
		`{"bytes": "*"}`:                  {10, "bytes", errors.New(`want bytes as a base64 string, found the string "*"`)},
		`{"parts": [{"id": 1}, {"x":1}]}`: {23, "parts[1].x", errors.New("unknown field; known here: id")},
		`{"words": {}}`:                   {10, "words", errors.New("want a list, found an object")},
	} {
		var d document
		err := Decode([]byte(text), &d)
		var m *Mistake
		require.ErrorAs(t, err, &m, text)
		assert.Equal(t, want.Offset, m.Offset, text)
		assert.Equal(t, want.Path, m.Path, text)
		assert.Equal(t, want.Err.Error(), m.Err.Error(), text)
		assert.Zero(t, d, text)
	}
}
