package vm

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImagePayload(t *testing.T) {
	b := make([]byte, 3*512+40)
	b[0x1f1] = 2
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(b[0x248:], 8)
	binary.LittleEndian.PutUint32(b[0x24c:], 20)
	copy(b[3*512+8:], "sixteen bytes...SIZE")
	p, err := imagePayload(b)
	require.NoError(t, err)
	require.Equal(t, "sixteen bytes...", string(p))

	binary.LittleEndian.PutUint32(b[0x24c:], 4000)
	_, err = imagePayload(b)
	require.Error(t, err)
	_, err = imagePayload([]byte("MZ"))
	require.ErrorContains(t, err, "not a bzImage")
}

// TestCpioIsReadByCpio compares with the listing of another program.
func TestCpioIsReadByCpio(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox to read the archive")
	}
	var b bytes.Buffer
	w := newCpioWriter(&b)
	require.NoError(t, w.file("/a/b/c.txt", 0o644, []byte("hello")))
	require.NoError(t, w.symlink("a/link", "b/c.txt"))
	require.NoError(t, w.close())
	require.Zero(t, b.Len()%512, "another archive may follow")

	dir := t.TempDir()
	cmd := exec.Command(busybox, "cpio", "-i", "-d")
	cmd.Dir, cmd.Stdin = dir, &b
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	got, err := os.ReadFile(filepath.Join(dir, "a/link"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

func TestTarSinkRefusesNamesThatLeadOut(t *testing.T) {
	var s tarSink
	require.NoError(t, s.extract(t.TempDir()), "nothing sent")
	s.WriteString("not a tar archive" + strings.Repeat(".", 1024))
	require.ErrorContains(t, s.extract(t.TempDir()), "files from the guest")
}

func TestTroubleIsFoundInTheKernelLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "console.log")
	require.NoError(t, os.WriteFile(log, []byte("[    1.0] mtrr: corrected configuration.\n"), 0o644))
	require.Empty(t, consoleTrouble(log))
	require.NoError(t, os.WriteFile(log, []byte("[    1.0] fine\n[    2.0] BUG: kernel NULL pointer dereference\n"), 0o644))
	require.Contains(t, consoleTrouble(log), "NULL pointer")
}
