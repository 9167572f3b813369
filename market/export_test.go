package market

// Sought is how many callers wait for a visit to the database.
func (s *Service) Sought() int {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	return len(s.reader.waiting)
}
