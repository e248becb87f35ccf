package offloadtest

// A RouterTB is what NewRouter needs of a testing.TB.
type RouterTB interface {
	TB
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
}

// The devices of a Router.
const (
	RouterLAN = "lan0" // towards the client
	RouterWAN = "wan0" // towards the server
)
