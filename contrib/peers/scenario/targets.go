package scenario

// Comparison is how a value is compared with a limit.
type Comparison string

// The comparisons.
const (
	AtMost  Comparison = "at most"
	AtLeast Comparison = "at least"
)

// Target is what is asked of ws-emit in one scenario.
type Target struct {
	// Number is that of the target in the list that all were agreed in; several parts may share it.
	Number           int
	Scenario, Metric string
	// Against is a peer. With one, the ratio of the two values is compared: the median of the ratios within each round. Empty compares
	// the median of the value, in the unit of the metric.
	Against string
	Compare Comparison
	Limit   float64
	// Always asks for it in each round: the worst counts instead of the median.
	Always bool
}

// queueLimit is what may wait for one client of ws-emit by default, in KB.
const queueLimit = (1 << 20) / 1000.0

// Targets are all targets, by number.
func Targets() []Target {
	return []Target{
		{Number: 1, Scenario: "sequential", Metric: CPUPerDelivery.Name, Against: Floor, Compare: AtMost, Limit: 1.2},
		{Number: 1, Scenario: "sequential", Metric: CPUPerDelivery.Name, Against: Node, Compare: AtMost, Limit: 0.6},
		{Number: 1, Scenario: "sequential", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 2, Scenario: "parallel", Metric: CPUPerDelivery.Name, Against: Floor, Compare: AtMost, Limit: 0.5},
		{Number: 2, Scenario: "parallel", Metric: CPUPerDelivery.Name, Against: Centrifuge, Compare: AtMost, Limit: 0.8},
		{Number: 2, Scenario: "parallel", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 2, Scenario: "parallel", Metric: PostP99.Name, Compare: AtMost, Limit: 1000},
		{Number: 3, Scenario: "idle", Metric: Memory.Name, Compare: AtMost, Limit: 6},
		{Number: 4, Scenario: "connect", Metric: Acknowledged.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 4, Scenario: "connect", Metric: CPUPerConnect.Name, Against: Node, Compare: AtMost, Limit: 0.4},
		{Number: 5, Scenario: "rooms", Metric: RoomsCost.Name, Compare: AtMost, Limit: 1.2},
		{Number: 6, Scenario: "slow", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 6, Scenario: "slow", Metric: SlowP99.Name, Compare: AtMost, Limit: 1.2},
		{Number: 6, Scenario: "slow", Metric: SlowReason.Name, Compare: AtLeast, Limit: slowClients, Always: true},
		{Number: 6, Scenario: "slow", Metric: MemoryGrowth.Name, Compare: AtMost, Limit: slowClients * queueLimit},
		{Number: 7, Scenario: "redis", Metric: RedisPerCore.Name, Compare: AtLeast, Limit: 100_000},
		{Number: 7, Scenario: "redis", Metric: RedisCounted.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 7, Scenario: "order", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 7, Scenario: "order", Metric: OutOfOrder.Name, Compare: AtMost, Limit: 0, Always: true},
	}
}
