package flowtable

// A Priority orders a hook among the others at the same place, lower first, in nft's spelling: a standard name ("filter"),
// a name and an offset ("filter - 10"), or a number ("-10"). The zero Priority is "filter", which is 0.
type Priority string
