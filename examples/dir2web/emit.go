package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
)

const (
	patience  = 5 * time.Second // with one request to ws-emit
	longest   = 255             // bytes in the name of a room, as ws-emit has it
	perEmit   = 1000            // messages that ws-emit takes in one request
	rescanned = "_rescan"       // in place of a file: the room of who looks at the list
)

// space is a room-space of ws-emit: its rooms can be joined with its secret only.
type space struct {
	name   string
	secret string

	url        string // of ws-emit
	emitSecret string
	client     *emitter.Client
}

func newSpace(c config) (*space, error) {
	if c.secret == "" {
		return nil, errors.New("give the emit secret of ws-emit in SECRET")
	}
	base := strings.TrimSuffix(c.url, "/")
	client, err := emitter.NewClient(emitter.ClientConfig{URL: base + "/emit", Secret: c.secret})
	if err != nil {
		return nil, err
	}
	return &space{name: c.space, secret: c.spaceSecret, url: base, emitSecret: c.secret, client: client}, nil
}

// room is the name of a file's room.
func (s *space) room(file string) string { return s.name + "::" + file }

// announce tells ws-emit the secret of the space. It can be repeated, and has to be after a ws-emit without Redis was started again. In a
// shell that is
//
//	curl -X PUT URL/roomspaces/dir -H 'Authorization: Bearer EMITSECRET' -H 'Content-Type: text/plain' -d SECRET
func (s *space) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.url+"/roomspaces/"+url.PathEscape(s.name), strings.NewReader(s.secret))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.emitSecret)
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusConflict: // it was given with --roomspace; the page sees whether it is the same
		return nil
	case http.StatusForbidden:
		return fmt.Errorf("ws-emit at %s has another emit secret: start both with the same SECRET", s.url)
	case http.StatusNotFound:
		return fmt.Errorf("ws-emit at %s has no emit secret: start it with SECRET", s.url)
	}
	why, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // as much of it as came
	return fmt.Errorf("ws-emit at %s does not take the secret of room-space %q: %s: %s", s.url, s.name, resp.Status, strings.TrimSpace(string(why)))
}

// tell emits the changes: update to the room of each file that has changed, and rescan when the list has.
func (s *space) tell(ctx context.Context, c changes, files folder) error {
	names := make([]string, 0, len(c.files))
	for name := range c.files {
		names = append(names, name)
	}
	if c.any {
		var err error
		if names, err = files.list(); err != nil {
			return err
		}
	}
	messages, err := s.messages(names, c.list)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(messages, perEmit) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		_, err := s.client.Emit(ctx, some...)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *space) messages(names []string, list bool) ([]emitter.Message, error) {
	slices.Sort(names)
	var messages []emitter.Message
	if list {
		m, err := emitter.NewMessage("rescan", []string{s.room(rescanned)}, map[string]string{"data": "modified"})
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	for _, name := range names {
		if len(s.room(name)) > longest { // ws-emit has no such room, so nobody is in it
			continue
		}
		m, err := emitter.NewMessage("update", []string{s.room(name)}, map[string]string{"file": name, "data": "modified"})
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}
