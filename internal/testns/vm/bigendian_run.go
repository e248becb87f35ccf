package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// imagePackage has the tests of images that were built here.
const imagePackage = "./internal/testns/vm/imagetest"

// bigEndianTests are what runs on a big-endian kernel beside the images: packages whole, or with the tests that are named.
func bigEndianTests() map[string]string {
	return map[string]string{
		"./examples/firmware/loader": "",
		"./internal/nlmsg":           "",
		"./internal/nlsock":          "^Test(Events|Commit|Dump|Answer)",
		"./internal/kernel": "^Test(Captured|DefaultRoutes|DumpOfEverything|CommitAndCheck|ChangedSince|EventsOfLinks|EventsOfTransactions|" +
			"ParseFeature|ParseHook|KernelHooks|ParseLink|LinkAddress|TargetReadsLinks|KernelLinksOfVLAN|Lock|ParseSessions|ParseNeighbour|Torn)$",
		"./conntrack": "^Test(LabelsOfNFT|EvictEveryKind|EvictZones|Lookup|ContractOfDump|ContractOfLookupAndDelete|ChangesOfTheKernel|" +
			"EntriesMatch|EntriesAgainst.*|SubscribeFiltersTraffic)$",
		"./offload": "^Test(Facts|KernelFacts|KernelMissingDevice|DocsFlowAdd|UpdateRulesAndSets|ApplyAfterForeignCommits|Uninstall)$",
	}
}

// RunImages builds images on this machine for kernels of other processors, boots them one after the other, and holds what their
// loader makes of the images against nft there; on big-endian ones it runs bigEndianTests, too.
func (m *Matrix) RunImages(ctx context.Context, names []string) (sums []Summary) {
	for _, name := range names {
		w := PrefixWriter(m.Out, "["+name+"] ")
		s, err := m.images(ctx, name, func(f string, a ...any) { fmt.Fprintf(w, f+"\n", a...) })
		if err != nil {
			s = Summary{Name: "kernel " + name, Err: err}
			if errors.Is(err, ErrUnavailable) {
				s.Err, s.NotRun = nil, firstLine(err.Error())
			} else {
				s.Result.fail("preparation", err.Error())
			}
			fmt.Fprintln(w, err)
		}
		sums = append(sums, s)
	}
	return sums
}

func (m *Matrix) images(ctx context.Context, name string, say func(string, ...any)) (Summary, error) {
	k, err := m.Cache.Prepare(ctx, name, say)
	if err != nil {
		return Summary{}, err
	}
	dir, err := os.MkdirTemp("", "fastpath-images-")
	if err != nil {
		return Summary{}, err
	}
	defer os.RemoveAll(dir)
	part := *m
	if part.Options.Files, err = m.Module.buildImages(ctx, m.Cache, k, dir); err != nil {
		return Summary{}, err
	}
	part.Options.Env = append([]string{"FASTPATH_IMAGES=" + images}, m.Options.Env...)
	part.Options.Flags = append([]string{"-test.short"}, m.Options.Flags...)
	part.Options.OutDir = filepath.Join(dir, "out")
	patterns := []string{imagePackage}
	if k.processor().byteOrder == "big" {
		part.Options.RunIn = bigEndianTests()
		patterns = append(patterns, sortedKeys(part.Options.RunIn)...)
	}
	for i, p := range patterns {
		patterns[i] = m.Module.Path + strings.TrimPrefix(p, ".")
	}
	tests, err := m.Module.BuildTests(ctx, m.Cache, name, patterns)
	if err != nil {
		return Summary{}, err
	}
	defer tests.Close()
	s := part.one(ctx, name, tests, PrefixWriter(m.Out, "["+name+"] "))
	measured, err := os.ReadFile(filepath.Join(part.Options.OutDir, k.Name(), "measured.txt"))
	if err == nil {
		say("%s", strings.TrimSpace(string(measured)))
	}
	return s, nil
}
