package ruleset

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// set puts the mark of a setting into a kernel, as it is made, or as a ruleset brings it back that was saved.
func (k *kernelState) set(t *testing.T, s ChangedSetting) {
	t.Helper()
	text, err := mark.Setting.Text(s.Owner, s.Key, s.Value, s.Before)
	require.NoError(t, err)
	note := mark.Original
	if s.Restored {
		note = ""
	}
	k.marked(mark.Setting.Table(s.Owner, s.Key), text, note)
}

// marked puts a table with a comment behind "managed by " and a note into a kernel.
func (k *kernelState) marked(name, text, note string) {
	k.add(nlmsg.NFTMsgNewTable, nlmsg.FamilyInet, func(b *nlmsg.Builder) {
		b.String(nlmsg.NFTATableName, name)
		var e encoder
		udata := e.appendComment(nil, nlmsg.UdataTableComment, ownerComment(text))
		if note != "" {
			udata = e.appendComment(udata, udataNote, note)
		}
		b.Data(nlmsg.NFTATableUserdata, udata)
	})
}

// Marks are read back as they were written, of one owner, and nothing else is taken for one.
func TestChangedSettings(t *testing.T) {
	set := ChangedSetting{Owner: "me", Key: mark.UDPTimeout, Value: "60", Before: "30"}
	other := ChangedSetting{Owner: "me too", Key: mark.Forwarding, Value: "1", Before: "0"}
	var k kernelState
	k.set(t, set)
	k.set(t, other)
	k.table(nlmsg.FamilyInet, "fw", "managed by me")
	have := k.load(t, "me")
	assert.Equal(t, []ChangedSetting{set}, have.ChangedSettings("me"))
	assert.Equal(t, []ChangedSetting{other}, have.ChangedSettings("me too"))
	assert.Empty(t, have.ChangedSettings(""))

	plan, err := MarkSettings(have, "me", set)
	require.NoError(t, err)
	assert.True(t, plan.Empty(), "%v", plan)
	again := set
	again.Value, again.Before = "90", "60"
	plan, err = MarkSettings(have, "me", again)
	require.NoError(t, err)
	require.Len(t, plan.Operations(), 2, "kernels take a comment with a new table alone")
	assert.Contains(t, plan.String(), "to 90, before 30", "what it was first stays")
	plan, err = UnmarkSettings(have, "me")
	require.NoError(t, err)
	assert.Len(t, plan.Operations(), 1)

	_, err = MarkSettings(nil, strings.Repeat("o", 100), set)
	require.ErrorContains(t, err, "too long")
	for _, s := range []ChangedSetting{{Key: "kernel.panic", Value: "1", Before: "0"}, {Key: mark.Forwarding, Value: "1", Before: "x"}} {
		_, err = MarkSettings(nil, "me", s)
		require.Error(t, err, "%v", s)
	}
}

// What a setting was in an earlier life of the ruleset is not what it was now.
func TestChangedSettingsRestored(t *testing.T) {
	set := ChangedSetting{Owner: "me", Key: mark.UDPTimeout, Value: "60", Before: "30", Restored: true}
	var k kernelState
	k.set(t, set)
	have := k.load(t, "me")
	assert.Equal(t, []ChangedSetting{set}, have.ChangedSettings("me"))
	plan, err := MarkSettings(have, "me", ChangedSetting{Key: mark.UDPTimeout, Value: "90", Before: "45"})
	require.NoError(t, err)
	assert.Contains(t, plan.String(), "to 90, before 45")
}
