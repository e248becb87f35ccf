package ruleset

// DeclaredSpecs are the rulesets of the world and the policies that this package's tests declare, by name.
func DeclaredSpecs() map[string]*Spec {
	specs := map[string]*Spec{}
	for _, c := range declared() {
		specs[c.name] = c.spec
	}
	for name, s := range policies() {
		specs["policy "+name] = s
	}
	return specs
}

// Update says whether golden files are written anew.
func Update() bool { return *update }
