package judge

// Whole is c without the short cut for flows that no changed rule concerns.
func (c *Change) Whole() *Change {
	d := *c
	d.whole = true
	return &d
}
