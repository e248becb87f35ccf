package flowtable

// An Answer says whether the driver of a device takes a flowtable with nft's `flags offload`, and how that is known. It is a
// plain value.
type Answer struct {
	Device string `json:"device"`
	Result Result `json:"result"`
	// Evidence is what was read or tried, and what it said.
	Evidence string `json:"evidence,omitempty"`
}

// A Result is what became of asking a driver.
type Result string

// The results. Accepted says that the driver binds the device; whether it takes flows shows when one turns [HW_OFFLOAD].
const (
	NoDevice      Result = "no such device"
	NoModule      Result = "module missing"
	DriverRefuses Result = "driver refuses"
	FixedOff      Result = "feature fixed off"
	FeatureOff    Result = "feature off"
	Busy          Result = "busy"
	Accepted      Result = "accepted"
	NotTried      Result = "not tried"
)
