package moving

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// noneTwice refuses an object that has a key twice, at any depth. The decoder
// takes the last one and another program may take the first (RFC 8259, section
// 4), so that whoever looked the file over saw another hash, address or role
// than the one that is imported. form says which keys the decoder holds for the
// same.
func noneTwice(b []byte, form func(string) string) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var open []map[string]bool // nil for a list
	key := false               // whether the next text is a key
	for {
		token, err := d.Token()
		if err != nil {
			return nil // what is no JSON is told by who decodes it
		}
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
		case string:
			if key {
				if seen := open[len(open)-1]; seen[form(v)] {
					return fmt.Errorf("the field %q is there twice", v)
				} else {
					seen[form(v)] = true
				}
				key = false
				continue
			}
		}
		if len(open) == 0 {
			return nil // one value is all there is
		}
		key = open[len(open)-1] != nil
	}
}
