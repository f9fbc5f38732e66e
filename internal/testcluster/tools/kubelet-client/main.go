// Command kubelet-client is the device manager's side of the kubelet's device plugin protocol, over the kubelet's own
// gRPC stack: it serves registration, connects to the plugin, listens for devices and allocates them.
//
// It takes one JSON command a line on standard input and writes one JSON event a line to standard output. Without
// pods it stands in for a kubelet where a test wants thousands of calls or restarts.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// command is one line of input; the field that is set says what to do.
type command struct {
	Allocate [][]string `json:"allocate"`
	Prefer   *struct {
		Available []string `json:"available"`
		Include   []string `json:"include"`
		Size      int32    `json:"size"`
	} `json:"prefer"`
	// Bench allocates one device that many times, on one connection.
	Bench int `json:"bench"`
	// Restart does what a kubelet does when it ends and starts, that many times, each time waiting for the plugin.
	Restart int `json:"restart"`
	// Stop ends the registration service and every connection, as a kubelet that is killed.
	Stop bool `json:"stop"`
	// Start removes sockets as a starting kubelet does and serves again.
	Start bool `json:"start"`
	// Quiet stops writing an event for each list.
	Quiet *bool `json:"quiet"`
}

var (
	output  sync.Mutex
	encoder = json.NewEncoder(os.Stdout)
)

func emit(event string, fields map[string]any) {
	output.Lock()
	defer output.Unlock()
	fields["event"] = event
	if err := encoder.Encode(fields); err != nil {
		os.Exit(1)
	}
}

func main() {
	dir := flag.String("dir", "", "folder for kubelet.sock, in which plugins make their sockets")
	flag.Parse()
	k := &kubelet{dir: *dir, lists: make(chan struct{}, 1024)}
	if err := k.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	emit("serving", map[string]any{})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := k.do(c); err != nil {
			emit("error", map[string]any{"error": err.Error()})
		}
	}
	k.stop()
}

// kubelet is one device manager with at most one plugin.
type kubelet struct {
	api.UnimplementedRegistrationServer
	dir    string
	server *grpc.Server
	lists  chan struct{}

	mutex sync.Mutex
	conn  *grpc.ClientConn
	quiet bool
}

func (k *kubelet) do(c command) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	switch {
	case c.Allocate != nil:
		client, err := k.client()
		if err != nil {
			return err
		}
		request := &api.AllocateRequest{}
		for _, ids := range c.Allocate {
			request.ContainerRequests = append(request.ContainerRequests, &api.ContainerAllocateRequest{DevicesIds: ids})
		}
		response, err := client.Allocate(ctx, request)
		if err != nil {
			return err
		}
		emit("allocated", map[string]any{"containers": response.ContainerResponses})
	case c.Prefer != nil:
		client, err := k.client()
		if err != nil {
			return err
		}
		response, err := client.GetPreferredAllocation(ctx, &api.PreferredAllocationRequest{
			ContainerRequests: []*api.ContainerPreferredAllocationRequest{{
				AvailableDeviceIDs: c.Prefer.Available, MustIncludeDeviceIDs: c.Prefer.Include, AllocationSize: c.Prefer.Size,
			}},
		})
		if err != nil {
			return err
		}
		emit("preferred", map[string]any{"ids": response.ContainerResponses[0].DeviceIDs})
	case c.Bench > 0:
		return k.bench(c.Bench)
	case c.Restart > 0:
		return k.restart(c.Restart)
	case c.Stop:
		k.stop()
		emit("stopped", map[string]any{})
	case c.Start:
		if err := k.start(); err != nil {
			return err
		}
		emit("serving", map[string]any{})
	case c.Quiet != nil:
		k.mutex.Lock()
		k.quiet = *c.Quiet
		k.mutex.Unlock()
	}
	return nil
}

// start removes every socket in the folder, then serves registration.
func (k *kubelet) start() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Type()&os.ModeSocket != 0 {
			_ = os.Remove(filepath.Join(k.dir, entry.Name()))
		}
	}
	listener, err := net.Listen("unix", filepath.Join(k.dir, "kubelet.sock"))
	if err != nil {
		return err
	}
	k.server = grpc.NewServer()
	api.RegisterRegistrationServer(k.server, k)
	go func(server *grpc.Server) { _ = server.Serve(listener) }(k.server)
	return nil
}

func (k *kubelet) stop() {
	k.mutex.Lock()
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
	k.mutex.Unlock()
	k.server.Stop()
}

// Register connects to the plugin before it answers, like the kubelet.
func (k *kubelet) Register(ctx context.Context, r *api.RegisterRequest) (*api.Empty, error) {
	if !slices.Contains(api.SupportedVersions[:], r.Version) {
		return nil, fmt.Errorf("version %s is not supported", r.Version)
	}
	path := filepath.Join(k.dir, r.Endpoint)
	conn, err := grpc.NewClient("passthrough:///"+path, grpc.WithAuthority("localhost"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}))
	if err != nil {
		return nil, err
	}
	client := api.NewDevicePluginClient(conn)
	options, err := client.GetDevicePluginOptions(ctx, &api.Empty{}, grpc.WaitForReady(true))
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("cannot get options of %s: %w", r.ResourceName, err)
	}
	k.mutex.Lock()
	k.conn = conn
	k.mutex.Unlock()
	emit("registered", map[string]any{"resource": r.ResourceName, "endpoint": r.Endpoint, "options": options})
	go k.listen(client)
	return &api.Empty{}, nil
}

func (k *kubelet) listen(client api.DevicePluginClient) {
	stream, err := client.ListAndWatch(context.Background(), &api.Empty{})
	for err == nil {
		var response *api.ListAndWatchResponse
		if response, err = stream.Recv(); err != nil {
			break
		}
		k.mutex.Lock()
		quiet := k.quiet
		k.mutex.Unlock()
		select {
		case k.lists <- struct{}{}:
		default:
		}
		if quiet {
			continue
		}
		healthy, nodes := 0, map[string]int{}
		for _, device := range response.Devices {
			if device.Health == api.Healthy {
				healthy++
			}
			for _, node := range device.GetTopology().GetNodes() {
				nodes[fmt.Sprint(node.ID)]++
			}
		}
		first := ""
		if len(response.Devices) > 0 {
			first = response.Devices[0].ID
		}
		emit("list", map[string]any{"devices": len(response.Devices), "healthy": healthy, "nodes": nodes, "first": first})
	}
	emit("ended", map[string]any{"error": err.Error()})
}

func (k *kubelet) client() (api.DevicePluginClient, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.conn == nil {
		return nil, fmt.Errorf("no plugin is registered")
	}
	return api.NewDevicePluginClient(k.conn), nil
}

func (k *kubelet) bench(count int) error {
	client, err := k.client()
	if err != nil {
		return err
	}
	took := make([]time.Duration, 0, count)
	for i := range count {
		request := &api.AllocateRequest{ContainerRequests: []*api.ContainerAllocateRequest{
			{DevicesIds: []string{fmt.Sprintf("sfc-%d", i%100)}},
		}}
		start := time.Now()
		if _, err := client.Allocate(context.Background(), request); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	emit("bench", map[string]any{
		"count": count, "p50us": us(took[count/2]), "p99us": us(took[count*99/100]), "maxus": us(took[count-1]),
	})
	return nil
}

func (k *kubelet) restart(times int) error {
	started := time.Now()
	for range times {
		k.stop()
		for len(k.lists) > 0 {
			<-k.lists
		}
		if err := k.start(); err != nil {
			return err
		}
		select {
		case <-k.lists:
		case <-time.After(20 * time.Second):
			return fmt.Errorf("the plugin did not come back within 20 s")
		}
	}
	emit("restarted", map[string]any{"times": times, "ms": float64(time.Since(started).Milliseconds())})
	return nil
}
