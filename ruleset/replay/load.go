package replay

import "encoding/binary"

// A Skipped device is one that was left out, with the kernel's reason: an *Error, unless the batch could not be sent. It
// matches fs.ErrNotExist if the device is missing (Linux before 6.16), errors.ErrUnsupported if its driver refuses hardware
// offload, fs.ErrExist if it is in another flowtable of the table. Safe for concurrent reading.
type Skipped struct {
	Device Device
	Err    error
}

// Load replays an image: its base as one transaction, then each device as one of its own. A device that the kernel refuses is
// left out and returned; it never takes the rest down. The error is that of the base, of which all or nothing is committed, and
// no device is tried without it.
//
// The base replaces: tables of the image that are there from an earlier Load, or from anyone with the same mark, are deleted in
// the same transaction, and their live flows leave the fast path. A table of the same name without the mark is refused with
// ErrForeign before anything is sent. Other errors are those of Read and Send; ErrByteOrder is for an image of other machines.
// It acts in the network namespace of the calling thread and needs CAP_NET_ADMIN there.
func Load(image []byte) ([]Skipped, error) {
	i, err := Read(image)
	if err != nil {
		return nil, err
	}
	return i.load(func(Device) bool { return true }, true)
}

// LoadDevice adds one device to the flowtables of an image that was loaded, for a device that appeared later: what Load does
// for it, again. A device that is there already stays as it is. It does nothing if no flowtable of the image lists the device.
// Errors are those of Load.
func LoadDevice(image []byte, device string) ([]Skipped, error) {
	i, err := Read(image)
	if err != nil {
		return nil, err
	}
	return i.load(func(d Device) bool { return d.Name == device }, false)
}

// load sends the base, if it is wanted, and the wanted devices.
func (i *Image) load(wanted func(Device) bool, base bool) ([]Skipped, error) {
	if i.Order.Uint16([]byte{0, 1}) != binary.NativeEndian.Uint16([]byte{0, 1}) {
		return nil, failed("image", ErrByteOrder)
	}
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.refuseForeign(i.made.tables); err != nil {
		return nil, err
	}
	if base {
		if err := s.commit(i.base); err != nil {
			return nil, err
		}
	}
	var skipped []Skipped
	for _, d := range i.Devices {
		if !wanted(d) {
			continue
		}
		if err := s.commit(d.batch); err != nil {
			skipped = append(skipped, Skipped{d, err})
		}
	}
	return skipped, nil
}

// refuseForeign looks for the tables of an image in the kernel. What cannot be asked is left for the base to find out.
func (s *socket) refuseForeign(tables []table) error {
	for _, t := range tables {
		if err := s.send(t.request()); err != nil {
			return err
		}
		foreign := false
		s.receive(maxAnswers, func(b []byte) {
			m, _, ok := nextMessage(binary.NativeEndian, b)
			foreign = foreign || ok && m.typ == newTable && tableOf(binary.NativeEndian, m).mark != t.mark
		})
		if foreign {
			return failed(t.String()+" exists without the mark \""+t.mark+"\"; delete it first if it may go", ErrForeign)
		}
	}
	return nil
}

// maxAnswers is more than a kernel answers to one request.
const maxAnswers = 8
